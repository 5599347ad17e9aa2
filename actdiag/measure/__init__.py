"""Arrays to statistics: moments, histograms, and the statistics of a layer and of its gradients."""
