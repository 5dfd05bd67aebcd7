"""Files that a run leaves: the HDF5 result, tables, images, the report."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "check_output_folder": "folder",
        "therapy_folder": "folder",
        "visit_folder": "folder",
        "replace_folder": "folder",
        "write_outcome": "folder",
        "rewrite_report": "folder",
        "write_lesions_csv": "tables",
        "write_lesions_json": "tables",
        "read_lesions_json": "tables",
        "patient_record": "clinic",
        "read_patient": "clinic",
        "lesion_tables": "summary",
        "verdict_lines": "summary",
        "warning_lines": "summary",
        "further_lines": "summary",
    },
)
