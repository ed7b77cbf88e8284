"""What the Snakemake rules call: targets, resources, the startup message, licences."""
