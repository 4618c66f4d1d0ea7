/** Where bytes lie, whether they are whole, and which of them nothing needs any more. */
import { Stack } from '@mantine/core'
import { useWho } from '../../api/session.ts'
import { PageHead, Panel } from '../../parts/layout.tsx'
import { useWords } from '../../parts/use-words.ts'
import { Uploads } from '../uploads/uploads.tsx'
import { GarbageReport } from './garbage-report.tsx'
import { ScrubPanel } from './scrub-panel.tsx'
import { Stores } from './stores-panel.tsx'

export function StoragePage() {
  const { t } = useWords()
  const who = useWho()
  return (
    <>
      <PageHead title={t('manage:storage.title')} description={t('manage:storage.text')} />
      <Stack gap="lg">
        {who.may('storage:read') && <Stores />}
        {who.may('garbage:read') && <GarbageReport />}
        {who.may('scrub:read') && <ScrubPanel />}
        {who.may('upload:list') && (
          <Panel title={t('manage:uploads.title')} isFlush>
            <Uploads scope={{ kind: 'all' }} />
          </Panel>
        )}
      </Stack>
    </>
  )
}
