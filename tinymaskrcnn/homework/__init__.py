"""Homework: blanks cut from the package's own source, checks that say what is wrong, and grading of a whole class."""
