import { Notifications } from '@mantine/notifications'
import { ElevationDialog } from './elevation.tsx'

/** What is told and asked beside every page. What was told before is shown, what was asked before is asked. */
export function LateParts() {
  return (
    <>
      <Notifications position="bottom-right" limit={4} />
      <ElevationDialog />
    </>
  )
}
