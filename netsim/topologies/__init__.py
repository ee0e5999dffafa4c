"""Topologies: from the hosts to a graph of links with routes. One file a kind."""
