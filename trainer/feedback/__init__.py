"""From votes to examples: whose votes count, what they say of each prompt, and a report of what was dropped."""
