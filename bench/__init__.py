"""How fast the node is, beside other archives and beside what the machine can do at all: ``python -m bench``.

`workloads` says what is sent and measured, `servers` who receives it; `raw_client` and `storescu` send; `rounds` takes all servers
through all workloads; `targets` and `report` make tables of that. A new rival: one class in `servers`; a new workload: one entry in
`workloads.ALL`.
"""
