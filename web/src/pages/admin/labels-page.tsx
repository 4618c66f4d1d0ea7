/** Labels that every project may use. */
import { useWho } from '../../api/session.ts'
import { PageHead } from '../../parts/layout.tsx'
import { useWords } from '../../parts/use-words.ts'
import { LabelList } from '../labels/label-list.tsx'

export function LabelsPage() {
  const { t } = useWords()
  const who = useWho()
  return (
    <LabelList
      rights={{ has: (permission) => who.may(permission) }}
      frame={(create, list) => (
        <>
          <PageHead title={t('manage:labels.title')} description={t('manage:labels.text')} actions={create} />
          {list}
        </>
      )}
    />
  )
}
