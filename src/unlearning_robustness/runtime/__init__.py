"""What every job needs around its work: log, device, processes, resume, manifests, seeds."""
