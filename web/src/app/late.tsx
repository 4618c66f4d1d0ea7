/** What no page needs at first, and each may need later: loaded when the first page has been drawn. */
import { lazy, Suspense, useEffect, useState } from 'react'

const LateParts = lazy(async () => ({ default: (await import('./late-parts.tsx')).LateParts }))
/** So long after the first drawing at the latest, in milliseconds. */
const latestMs = 1_000

export function Late() {
  const [isTime, setTime] = useState(false)
  useEffect(() => {
    const begin = () => setTime(true)
    // Safari has no idle callbacks.
    if (!('requestIdleCallback' in globalThis)) {
      const timer = setTimeout(begin, latestMs)
      return () => clearTimeout(timer)
    }
    const request = requestIdleCallback(begin, { timeout: latestMs })
    return () => cancelIdleCallback(request)
  }, [])
  return (
    isTime && (
      <Suspense>
        <LateParts />
      </Suspense>
    )
  )
}
