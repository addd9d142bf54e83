"""What a person writes: YAML read into frozen pydantic models, mistakes reported at file:line:column."""
