/** Waiting in simulated time. */
import type { World } from './world.ts'

/** Lets events happen until the promise is settled. */
export async function finished<T>(world: World, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = () => void (isSettled = true)
  promise.then(settle, settle)
  await world.scheduler.settle()
  while (!isSettled) if (!(await world.scheduler.step(true))) throw new Error('waits for what never comes')
  return await promise
}
