"""How long a run that fails at each start is kept going before it is given up."""

import shutil
from dataclasses import replace
from datetime import datetime

from clusters import Cluster
from deadlines import wait_for
from stories import Story
from tiny import Reference, Search

_PATIENCE_S = 400.0


def measure_crash_loop(cluster: Cluster, search: Search) -> float:
    """Seconds from the first start to the mark `failed`."""
    own_data = search.runs.with_name(f"{search.runs.name}-data")
    shutil.copytree(search.data, own_data)
    search = replace(search, data=own_data)
    story = Story(cluster, search, Reference(search.runs, search.data))
    # So that it begins only after its data is gone, which it would otherwise make anew.
    hog = story.occupy()
    story.launch()
    shutil.rmtree(own_data)
    own_data.write_text("no directory\n")
    cluster.run("scancel", hog)
    wait_for(story.run.failed.exists, "the mark", _PATIENCE_S, story.tell)
    began = datetime.fromisoformat(story.starts()[0].provenance["time"]).timestamp()
    return story.run.failed.stat().st_mtime - began
