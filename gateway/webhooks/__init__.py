"""The wire to the receivers of events: where it goes, what it says, and how it takes the answer."""
