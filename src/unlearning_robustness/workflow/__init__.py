"""What the Snakemake rules call: targets, resources, the start message, licences."""
