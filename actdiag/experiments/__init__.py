"""What is done with stacks: a run, the fix of one, the test of a gain, training."""
