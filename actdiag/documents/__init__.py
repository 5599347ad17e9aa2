"""Everything that leaves the program as plain dicts and comes back from them: a module for each document.

Reading runs no code: an activation or an initializer outside the catalogue and the expressions becomes a name that
cannot run, and of data there is the digest.
"""
