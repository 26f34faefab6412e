"""The torch-free leaf: settings, errors, records and Midjourney's parameter language."""
