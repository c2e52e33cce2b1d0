"""A virtual soundstage: small productions of rendered footage, delivered with their exact truth.

The walk: ``spec.StageSpec`` → ``scenes.stage_take`` (set, lights, camera, performers) →
``rendering.render_take`` (frames and truth in memory) → ``writing.render_production`` (movies on disk).
World coordinates are metres, x right, y down, z away from the camera, the floor at y = 0; image coordinates
are pixels with (0, 0) at the centre of the top left pixel. All light is scene-linear until it is encoded.
"""
