"""The tests mirror the packages and go through public doors."""
