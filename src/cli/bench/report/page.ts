export function renderReport(results: readonly unknown[]): string { return String(results.length) }
