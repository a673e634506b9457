"""`python -m tailrace` is the `tailrace` command."""

from tailrace.cli.main import main

if __name__ == "__main__":
    main()
