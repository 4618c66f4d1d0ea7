/** As `Promise.all`, but a failure is told only when everything has ended: nothing is under way any more behind the back of who handles it. */
export async function allEnded(running: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(running)
  await Promise.all(running)
}
