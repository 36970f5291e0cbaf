"""What runs inside a sandbox: standard library only, Python 3.8 and later.

`boot` is handed to `python3 -c`; it reads the other modules from its standard input and starts the
`supervisor`, which keeps a `worker`: the process that holds the interpreter of the model's code.
"""
