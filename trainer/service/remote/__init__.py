"""Attempts on other computers: started by an engine that knows no more of them, reporting over HTTP.

    service ─ Remote, a launcher, with an Engine: Dask, Slurm, a command such as ssh
      │        hands on an order: an address, and a token that is good for one attempt
      │
      └─ POST /v1/attempts/begin, report; GET, PUT …/files; PUT …/manifest
           ▲
    carrier ─ on the other computer: fetches what is needed, forks the attempt, tells and hands in what comes of it

An attempt is the program that it is on the service's own computer, in a folder of the same content; so are its results.
"""
