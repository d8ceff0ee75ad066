"""A venue on loopback that speaks a broker's protocol, to rehearse with: no money moves."""
