"""What tasks are made of: cache, downloads, formats, builders."""
