"""The words that every part uses: data sets as bytes, instances, peers, statuses. No sockets, no SQL, no pynetdicom."""
