"""Where crosspath meets other people's trainers and files. Each module needs its own library; nothing else does."""
