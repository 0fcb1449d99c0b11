"""The processes that do the work: RQ workers that drain lanes, and the sweeper."""
