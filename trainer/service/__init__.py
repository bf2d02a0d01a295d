"""The training service: configs come in over HTTP, wait in a queue that survives a power cut, and are trained.

    trainer serve ─ one process: HTTP, live events, dispatcher, supervisor, and one thread that writes the database
      └─ a fork server that has the project loaded
           ├─ an attempt per running run, a process of its own
           └─ workers: one checks configs that come in, one predicts

The server itself imports neither NumPy nor a plugin, so what a config or a plugin does wrong costs one of the others.
A run is what a person posted, an attempt one execution of it. The run's folder is the truth about results, the
database about the queue; only the server writes the database, and only the holder of its lock the folder.
"""
