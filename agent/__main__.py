"""`python -m agent`."""

from agent.main import main

if __name__ == "__main__":
    main()
