"""The worklist: steps are scheduled and changed, come from files and folders, and answer queries."""
