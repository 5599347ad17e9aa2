"""python -m actdiag."""

from actdiag.cli import main

if __name__ == "__main__":
    main()
