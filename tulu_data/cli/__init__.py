"""The command line: one module per verb, each parses, calls one function and prints.

Nothing heavy is imported here or in `main`; a verb's module loads only when it runs.
"""
