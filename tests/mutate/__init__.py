"""Changes lines of the program so that it is wrong, and sees whether the tests notice."""
