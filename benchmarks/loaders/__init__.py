"""The loads that are compared, one to a module; each is run by ``benchmarks.load_once``."""
