"""Rich renderables: reports, comparisons, and the catalogues of activations and initializers."""
