"""The CXone Data Extraction API."""
