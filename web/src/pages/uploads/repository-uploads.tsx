import { Panel } from '../../parts/layout.tsx'
import { useWords } from '../../parts/use-words.ts'
import { Uploads } from './uploads.tsx'

export function RepositoryUploads({ repository }: { readonly repository: string }) {
  const { t } = useWords()
  return (
    <Panel title={t('manage:uploads.title')} isFlush>
      <Uploads scope={{ kind: 'repository', name: repository }} />
    </Panel>
  )
}
