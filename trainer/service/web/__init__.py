"""The service over HTTP: one table of routes, from which the router, the guard and the description are made."""
