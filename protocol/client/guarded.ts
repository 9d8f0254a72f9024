/** Runs what callers hand in. A listener that throws must cost neither other listeners their frame nor the client its state. */
export function guarded(task: () => void): void {
  try {
    task();
  } catch (error) {
    // Where whoever wrote it sees it: as an error that nobody has caught.
    queueMicrotask(() => {
      throw error;
    });
  }
}
