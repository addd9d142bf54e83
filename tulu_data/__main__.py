"""Run the command line with `python -m tulu_data`."""

from tulu_data.cli.main import main

main()
