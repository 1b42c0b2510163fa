"""What is kept under results/<machine>/: files of runs, of speeds and of peers."""
