/** Why something failed, in the words of what failed first: `EPERM: operation not permitted`. Without the path of a system's error, which the reader may not know. */
export function reasonOf(error: unknown): string {
  let at = error
  for (let depth = 0; depth < causesMax && at instanceof Error && at.cause !== undefined; depth++) at = at.cause
  if (!(at instanceof Error)) return String(at)
  const { code, syscall } = at as NodeJS.ErrnoException
  const end = code === undefined || syscall === undefined ? -1 : at.message.indexOf(`, ${syscall}`)
  return end < 0 ? at.message : at.message.slice(0, end)
}

/** Longer chains are loops. */
const causesMax = 5
