"""Why a training goes as it does and what to set: a step size, found by trying, and trouble, told with its evidence."""
