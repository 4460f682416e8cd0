"""The sections of the report page: each module is one, with a template of its name below ``template/sections``.

A module says ``TITLE`` (in the page's navigation), ``ORDER`` (place on the page, small first) and, where it is not the
module's name, ``ANCHOR`` (the ``id`` of its heading). ``section(tables, labels)`` gives what its template lays out as
``section``, None where these runs have no such section: ``tables`` are ``bench.analysis.frames.Frames``, ``labels`` the runs
in their order.
"""
