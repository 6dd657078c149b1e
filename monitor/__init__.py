"""The control room: decision logs go in; alerts, confirmed rollbacks and off-policy estimates come out."""
