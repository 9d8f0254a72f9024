/** placeholder until the operators' interface stands */
export function AdminScreen() {
  return null;
}
