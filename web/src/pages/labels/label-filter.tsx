/** Narrows tags to those of manifests with a label. */
import { Select } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { query } from '../../api/client.ts'
import { listProjectLabels } from '../../api/manage-routes.ts'
import { useProjectRights } from '../../api/session.ts'
import { useWords } from '../../parts/use-words.ts'

interface FilterProps {
  readonly project: string
  readonly value: number | undefined
  readonly onChange: (label: number | undefined) => void
}

export function LabelFilter({ project, value, onChange }: FilterProps) {
  const { t } = useWords()
  const mayList = useProjectRights(project).has('label:list')
  const { data } = useQuery({
    ...query(listProjectLabels, { params: { project }, query: { usable: true, sort: 'name', limit: 200 } }),
    enabled: mayList,
  })
  if (data === undefined || data.items.length === 0) return null
  return (
    <Select
      aria-label={t('manage:labels.filter')}
      placeholder={t('manage:labels.filter')}
      data={data.items.map(({ id, name, project: of }) => ({
        value: String(id),
        label: of === undefined || of === project ? name : `${name} (${of})`,
      }))}
      value={value === undefined ? null : String(value)}
      onChange={(label) => onChange(label === null ? undefined : Number(label))}
      clearable
      clearButtonProps={{ 'aria-label': t('manage:labels.noFilter') }}
      searchable
      w={200}
    />
  )
}
