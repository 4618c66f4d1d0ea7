/** For services that remove one object a request. */
const atOnce = 16

/** Runs the task for each item, some at a time; rejects with the first error when those under way have ended. */
export async function eachOf<T>(items: readonly T[], task: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = items.values()
  const errors: unknown[] = []
  const lane = async () => {
    for (const item of waiting) {
      try {
        await task(item)
      } catch (error) {
        errors.push(error)
        return
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane))
  if (errors.length > 0) throw errors[0]
}
