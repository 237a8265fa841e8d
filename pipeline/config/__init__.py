"""The configuration of a run: YAML in, one frozen `RunConfig` out (`run_config`), and its sections."""
