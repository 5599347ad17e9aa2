"""How reports look: in the terminal and as pictures. Nothing here measures or judges."""
