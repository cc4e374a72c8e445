"""The best settings of a recipe: trials that Optuna suggests, by any number of processes."""
